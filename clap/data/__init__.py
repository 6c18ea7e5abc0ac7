"""Records, manifests, data sets, language-enhancement sampling and translation."""
