"""The worker's side of the conversation: one loop on a port, operations as async generators."""
