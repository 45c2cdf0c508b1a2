"""Lightning callbacks: logging of terms, periodic evaluation, progress."""
