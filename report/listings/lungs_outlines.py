def after_epoch(self, training):
    if len(training.history) % 10 == 0:
        self.run.show("outlines", outlines(training.net, self.xrays))
        plt.close()
