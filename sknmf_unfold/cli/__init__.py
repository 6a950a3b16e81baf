"""The commands of ``sknmf-unfold`` (or ``python -m sknmf_unfold``), one file for each."""
