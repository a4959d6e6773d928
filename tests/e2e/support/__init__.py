"""What the end-to-end tests share: harness, server, client, requests, verifiers."""
