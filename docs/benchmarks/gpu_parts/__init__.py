"""The parts of `gpu.py`: each a function that yields facts, run in a process of its own."""
