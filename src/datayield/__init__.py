"""datayield: how much accuracy does each label buy, and what stretches the labels furthest?"""

__version__ = "0.1.0"
