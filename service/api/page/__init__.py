"""What people use the service with: a page for looking up, and one for the library."""
