"""What people see: reads the store, sends commands to the app."""
