"""The plans: what a write does.

`networks`, `subnets` and `ports` hold what a client asks for over REST, `wiring` what the controller observed;
`allocate` finds free values, `checks` tells whether one attribute's value is acceptable.  Every plan touches a number
of rows that does not grow with the cloud.
"""
