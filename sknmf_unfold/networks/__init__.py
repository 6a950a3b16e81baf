"""Networks in torch.

A new one is a module here that keeps `protocol.MaskNetwork`, and a separator in `separators`.
"""
