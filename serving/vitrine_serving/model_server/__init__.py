"""Embedded model server: TensorFlow Serving's API over gRPC and REST, in a Python process.

It takes TensorFlow Serving's place where there is no Docker, or no amd64: same flags, same
`models.config`, same directories, same answers (docs/model-server.md has the differences).
`repository` decides which versions are loaded, `servable` is one of them, `api` answers requests;
`grpc_api` and `rest` only carry them, and `server` puts it all together.
"""
