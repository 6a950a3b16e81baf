"""What ties the package to scikit-learn, torch and the operating system."""
