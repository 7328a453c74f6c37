"""Protocol and reports: how results are measured."""
