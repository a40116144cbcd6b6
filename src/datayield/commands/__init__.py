"""The commands of `datayield`, a file per topic; each adds its own to the parser."""
