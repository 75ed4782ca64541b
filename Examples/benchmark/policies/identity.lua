--- Looks at every token and changes none: the price of being asked.
return { on_token = function(s, text) end }
