SELECT ops.remove_expired(%(what)s, %(days)s, %(batch)s) AS count
