"""What was measured as pictures, drawn with Matplotlib from the meters behind the figures."""
