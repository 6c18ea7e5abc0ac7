"""The project's own gallery of sounds, synthesised by code: procedural sound, espeak-ng speech, FluidSynth instruments."""
