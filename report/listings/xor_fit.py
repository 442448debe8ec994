for x, y in train:
    x, y = x.to(device), y.to(device)
    if augment:
        x, y = augment(x, y, chance)
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        loss = task.loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
