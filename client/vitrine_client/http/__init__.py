"""HTTP protocol of the gateway: requests, responses, errors, deadlines; blocking and asyncio."""
