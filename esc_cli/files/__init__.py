"""What is promised about files, once: opened, locked, written whole, fetched, told apart."""
