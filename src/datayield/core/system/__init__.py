"""Handles the machine: processes, memory, downloads, servers, secrets."""
