# The campaign of simulated fleets; test.sh --fleet plays the expensive ones as often as the others, too.
add_executable(fleet_campaign fleet/campaign.cpp)
target_link_libraries(fleet_campaign PRIVATE ota_simulate fmt::fmt)
add_test(NAME fleet COMMAND fleet_campaign)
set_tests_properties(fleet PROPERTIES LABELS fleet TIMEOUT 1800)
