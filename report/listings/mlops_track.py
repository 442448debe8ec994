run = wandb.init(
    project="deep-learning-coursework", name="W&B alone", group="xor-mlops",
    config=config, mode="offline", dir=folder, settings=quiet,
)  # fmt: skip
hooks = [h.Validate(val), h.Log(run.log)]  # run.log({"epoch": 1, "train/loss": 0.69, ...})
h.fit(net, train, h.binary_loss, optimizer, 3, hooks)
logged = dict(run.summary)
run.finish()
