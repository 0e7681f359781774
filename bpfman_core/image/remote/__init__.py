"""Registries: how they are reached, who may be given credentials, what is believed of answers."""
