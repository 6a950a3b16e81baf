"""
Separate the example recording
==============================

A model that the package carries takes the noise out of a recording that it carries too.
"""

from sknmf_unfold.datasets import load_example, load_pretrained

noisy = load_example()
[enhanced] = load_pretrained("speech").predict([noisy])
print(len(noisy), len(enhanced))
