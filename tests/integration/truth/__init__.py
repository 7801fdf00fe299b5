"""The truth matrix: real servers under real load, what sonde says held to what they count themselves."""
