"""Commands of ``python -m sknmf_unfold``, one file for each."""
