def sweep_on_server(count):
    sweep_id = wandb.sweep(SWEEP, project="deep-learning-coursework")

    def one_trial():
        with wandb.init() as run:  # run.config holds the settings that the server chose
            value = trial(dict(run.config), run.log)  # run.log(row) after every epoch
            run.summary["val/loss"] = value

    wandb.agent(sweep_id, function=one_trial, count=count)
