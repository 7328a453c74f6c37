"""Typer commands: parse, call a task, render its events."""
