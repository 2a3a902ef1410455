"""What is predicted and simulated: a network, a gradient step and a ridge regression."""

from rmt_spikes.setting.covariance import Covariance as Covariance
from rmt_spikes.setting.covariance import Inputs as Inputs
from rmt_spikes.setting.functions import built as built
from rmt_spikes.setting.keys import bounds as bounds
from rmt_spikes.setting.keys import checked as checked
from rmt_spikes.setting.keys import domain as domain
from rmt_spikes.setting.model import Setting as Setting
from rmt_spikes.setting.model import read_toml as read_toml
from rmt_spikes.setting.model import require_setting as require_setting
