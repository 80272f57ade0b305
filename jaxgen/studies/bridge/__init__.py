"""The study `bridge`: what limits a push-forward, on two hundred trained models."""
