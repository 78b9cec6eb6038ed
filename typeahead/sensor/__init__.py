"""What you measure: lines of numbers into readings, forecasts of the next one, alarms."""
