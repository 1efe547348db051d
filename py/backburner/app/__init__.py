"""The page's side: the store, the worker's life, the operations, records, the hook."""
