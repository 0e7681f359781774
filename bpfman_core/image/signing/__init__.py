"""Signatures of images: where they are found, what they prove, and what is asked of them."""
