"""Training in bfloat16, where a device computes it faster."""

import torch

from backstage.hooks import Hook, Training


class MixedPrecision(Hook):
    """Compute the forward pass of training in bfloat16 where a CUDA device has it."""

    def before_training(self, training: Training) -> None:
        device = training.device
        if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < 8:
            return
        net = training.net
        full = net.forward

        def mixed(x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cuda", torch.bfloat16, enabled=net.training):
                return full(x).float()

        net.forward = mixed

    def after_training(self, training: Training) -> None:
        training.net.__dict__.pop("forward", None)
