"""The one exception for what a caller or visitor got wrong."""


class UserError(ValueError):
    """Something a user can cause and mend.

    The message is one sentence: what is wrong, what is allowed, what was got, what to do. The command line prints
    it and exits with status 2; the interface shows it beside the field.
    """
