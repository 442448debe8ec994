for x, y in train:
    x, y = x.to(device), y.to(device)
    loss = F.binary_cross_entropy_with_logits(net(x).squeeze(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
