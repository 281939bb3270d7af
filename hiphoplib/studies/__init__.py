"""Studies that measure what notebooks and documentation state; nothing else imports them."""
