"""Multilingual audio-text retrieval: a CED audio encoder and a SONAR text encoder in one space."""

__version__ = "0.1.0"
