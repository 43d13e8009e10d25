# The broker that the tests start. The workflows in .github/ run this.
sudo apt-get update
sudo apt-get install --yes nats-server
