with h.track("promising network", config, group="xor-mlops", tags=["part 4.1"]) as run:
    history = h.fit(net, train, val, optimizer, s.epochs, log=run.log)
