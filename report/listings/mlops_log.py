def after_epoch(self, training: Training) -> None:
    for row in training.history[self.written :]:  # after a resume, the earlier rows too
        self.written += 1
        self.write(row)
