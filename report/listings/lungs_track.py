config = {**asdict(s), "fold": fold, "seed": seed, "data": data.source, "device": device.type}
xrays = rows_of(pool, FULL_FOLDS[fold].train)
left_out = rows_of(pool, FULL_FOLDS[fold].held_out)
name = f"lungs, fold {fold}, seed {seed}"
with h.track(name, config, "lungs", ["part 3.1"], quiet=fold + seed > 0) as run:
    hooks = [
        validation(s, left_out),
        h.Log(run.log),
        LogOutlines(run, left_out),
        h.Checkpoint(place),
    ]
    return train(s, seed, xrays, hooks)
