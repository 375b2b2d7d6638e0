"""Client of the Open Inference Protocol: asks any of its servers about pictures."""
