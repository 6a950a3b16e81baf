"""The commands of ``sknmf-unfold`` (or ``python -m sknmf_unfold``), one file for each.

A new one is a file with ``add_command(commands)`` and ``run(args)``, and an entry in
`main.COMMANDS`.
"""
