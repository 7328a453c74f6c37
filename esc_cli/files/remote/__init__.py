"""Files behind addresses: object stores, web servers, and whatever else fsspec reaches."""
