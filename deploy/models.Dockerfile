# Models as an image, for deploy/kubernetes: immutable, and kept by each node that has had it. A new tag for new models.
#   docker build -f deploy/models.Dockerfile -t vitrine-models:1 models
FROM scratch
COPY . /
