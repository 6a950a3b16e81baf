"""Training of networks that map magnitudes to masks; imports no network.

- `losses`: the table of losses, where a new one is added; `own_loss`: the user's function
- `batch_loss`: from a network and a batch to the loss and its gradient
- `squared_error`, `waveform_losses`: the computations of the built-in losses
- `batches`: sequences of mixtures and targets, cut into segments, batches and threads' shares
- `loop`: the `Trainer`; `recipe`: its hyper-parameters
- `gradients`: sums over the shares of a batch, of all ranks
- `ranks`: the processes that train together, `group_ranks` those of torchrun; `shares` divides
  batches among them, `process_group` and `deferred_interrupts` are their communication
- `early_stopping`: when training ends; `weight_average`: the moving average of the weights
- `checkpoint`: the format of the file that training resumes from; `file_lock`: one fit a file
- `fingerprints`: how a fit recognises its file; `resume_checks`: whether the file's state fits
"""
