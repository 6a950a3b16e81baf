"""
Kullback-Leibler and Itakura-Saito NMF
======================================

``beta_loss`` of :class:`~sknmf_unfold.SparseNMF` says which errors count: the Frobenius norm counts
loud bins, Itakura-Saito counts errors relative to the level of each bin, Kullback-Leibler is
between them. So a quiet note beside a loud one is lost by the first and kept by the last.
"""

# %%
# A loud and a quiet note
# -----------------------
# Three notes, the third 40 dB quieter than the others.
