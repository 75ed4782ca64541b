-- A filter that is shown every chunk of the answer and changes none.
local Identity = { id = "identity", flags = filter.FLT_CFG_FL_HTX }
Identity.__index = Identity

function Identity:new() return setmetatable({}, Identity) end

function Identity:start_analyze(txn, channel)
  if channel:is_resp() then filter.register_data_filter(self, channel) end
end

function Identity:http_payload(txn, message)
  local chunk = message:body()
end

core.register_filter("identity", Identity, function(class, arguments) return class end)
