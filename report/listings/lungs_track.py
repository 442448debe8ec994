config = {**asdict(FULL), "seed": seed, "data": data.source, "device": device.type}
with h.track(f"lungs, seed {seed}", config, group="lungs", tags=["part 3.1"], quiet=seed > 0) as run:

    def log(row, net):
        run.log(row)
        if row["epoch"] % h.quick(10, 4) == 0:
            run.show("outlines", outlines(net, data.val, SHOWN))
            plt.close()

    net, history = train(
        FULL, seed, data.train, data.val, log, h.checkpoint_path("lungs", seed=seed, **asdict(FULL))
    )
    run.summary(**{"best val/dice": max(row["val/dice"] for row in history)})
